"""The phases of `benchmarks.gpu_report`, each a module that prints what it finds row by row."""
