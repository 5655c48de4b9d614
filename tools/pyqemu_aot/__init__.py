"""`pyqemu-aot`: translates a whole program ahead of time."""
