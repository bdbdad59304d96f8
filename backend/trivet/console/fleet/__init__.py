"""The fleet of GPUs: every card as a cell, and how full it really is beside how busy it reads."""
