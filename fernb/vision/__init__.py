"""Images, faces in them, and what spoils them."""
