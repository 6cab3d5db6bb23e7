"""Chats as the usual programs export them, read as conversations."""
