"""The networks of the voice check: does this voice sound as microphones record voices?

One folder per trainable model, each with `config`, `model`, `data` and `module`.
"""
