"""The processes that train one run together: who they are, who starts them, and what they tell each other."""
