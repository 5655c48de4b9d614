"""Finding the code of a guest program ahead of time: its blocks, functions and loops, as a networkx graph."""
