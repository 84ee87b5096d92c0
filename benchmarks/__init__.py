"""Measurements that print a table and draw a picture; each runs alone and asserts nothing."""
