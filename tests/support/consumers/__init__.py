"""Other people's programs, in processes of their own, as the users of the bridges run them."""
