"""Messages to children, and children that end for certain."""
