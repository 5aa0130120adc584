"""What the stock hooks do; each is imported only by the hook that needs it."""
