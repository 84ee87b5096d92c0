"""The atlas: a page that shows thousands of pictures as one map, opened from disk without server or network."""
