"""Recognising files that are not checkpoints by their first bytes: downloads fail in a few well-known ways."""

# The first bytes of other kinds of file, and what to say about them.
_MARKS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS in place of the file; fetch that with git lfs pull",
    ),
    (b"\x1f\x8b", "is compressed by gzip; unpack it and give the checkpoint in it"),
    (b"BZh", "is compressed by bzip2; unpack it and give the checkpoint in it"),
    (b"\xfd7zXZ\x00", "is compressed by xz; unpack it and give the checkpoint in it"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it and give the checkpoint in it"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it and give the checkpoint in it"),
    (b"Rar!", "is a RAR archive; unpack it and give the checkpoint in it"),
    (b"\x89PNG", "is a picture; give a checkpoint"),
    (b"\xff\xd8\xff", "is a picture; give a checkpoint"),
    (b"GIF8", "is a picture; give a checkpoint"),
    (b"%PDF", "is a PDF document; give a checkpoint"),
    (b"\x89HDF", "is an HDF5 file, which no StyleGAN checkpoint is; give a checkpoint"),
)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body")


def told(head: bytes, size: int) -> str | None:
    """The rest of the sentence "FILE ..." about a file that is not a checkpoint; None if it may be one.

    Args:
        head: its first 512 bytes.
        size: of the file.
    """
    if size == 0:
        return "is empty, so its download failed or the disk was full; fetch it again"
    if not head.strip(b"\0") and size >= len(head):
        return "begins with nothing but zeros, so its download was not finished; fetch it again"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower().startswith(_PAGES):
        return (
            "is a web page: the server sent a page (of a login, an error or a used-up quota) in place of the file;"
            " fetch it again with a browser"
        )
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it and give the checkpoint in it"
    return next((sentence for mark, sentence in _MARKS if head.startswith(mark)), None)
