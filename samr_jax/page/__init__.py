"""A local page in the browser: paint a lesion and see the images that follow.

`Studio` holds the model and the masks and knows nothing of the network. `Site` turns
requests into calls of the studio and their results into responses. `serving` listens.
Each request says all that a user has chosen on the page, so that the server remembers
nothing but masks, and pages that are open at the same time do not disturb each other.
"""
