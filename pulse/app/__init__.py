"""What people run: the command `pulse`, PULSE's own flags, the demonstration."""
