"""`pyqemu-arch`: an architecture of one's own, checked, built, assembled for and run."""
