"""Lets Ctrl-C end `python -m stylegan.portraits` quietly while torch is still being imported."""

from stylegan.common.console import begin_early

begin_early("stylegan.portraits")
