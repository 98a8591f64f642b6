"""What the program decides. No I/O, no async, no clock: time is an argument."""
