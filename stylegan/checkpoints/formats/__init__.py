"""Checkpoint formats, one file each: `recognises` by content, `load`, and for our own `save`.

What reads them safely: `budget` limits what a file may cost, `source` is an open file and what lies in it,
`plain_pickle` and `plain_values` read pickles as data, `torch_archive` the files of torch.save, `configs` checks
descriptions, `assemble` makes a network of a description and tensors still in a file, `foreign` recognises files that
are not checkpoints.
"""
