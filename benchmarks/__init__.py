"""Measurements that print tables and draw pictures. Each runs alone and asserts nothing."""
