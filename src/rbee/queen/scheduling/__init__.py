"""What should exist and where: demand, placement. Pure: no I/O, no clock."""
