"""The train state, the one step of every method, and the loop around it."""
