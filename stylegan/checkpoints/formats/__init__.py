"""Checkpoint formats, one file each: `recognises` by content, `load`, and for our own `save`.

What reads them safely: `source` is an open file and what lies in it, `plain_pickle` and `plain_values` read pickles as
data, `torch_archive` the files of torch.save, `assemble` makes a network of a description and tensors still in a file.
"""
