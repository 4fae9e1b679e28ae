"""Images: reading them, finding and cutting out faces, corrupting them."""
