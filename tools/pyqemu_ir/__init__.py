"""`pyqemu-ir`: shows what becomes of guest instructions, stage by stage."""
