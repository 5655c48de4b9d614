"""`pyqemu-worker`: makes optimised code of what running guests find hot. Started by pyqemu-user, one a cache folder."""
