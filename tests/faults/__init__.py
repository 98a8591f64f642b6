"""A real program under real traffic, while a part of it fails in every way we know.

`fault` says what a fault is, and the modules named after parts list them. `place` starts the
program with all that it needs, `traffic` asks it and knows every right answer, `trial` makes a
fault and judges what came of it. docs/faults.md is written from the lists.
"""
