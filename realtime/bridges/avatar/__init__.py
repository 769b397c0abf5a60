"""Turn a person into an avatar: bones, rest pose, place, and the messages that avatar programs take."""
