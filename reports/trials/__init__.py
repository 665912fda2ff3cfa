"""What a trial's tables say by themselves: figures, layers, limits, what a fault did, and what speaks against them."""
