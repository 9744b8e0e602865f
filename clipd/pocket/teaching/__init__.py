"""How the model in the box is taught: `python -m clipd.pocket.teaching.teach`.

What an image tower with ImageNet weights sees is already a vector; what is taught here is the
text tower that finds it. Words get their vectors from the rows of the classifier
(`prototypes`), by way of WordNet (`wordnet`) and of what usually stands, is worn or is held
together (`everyday.txt`); colours, weather and the like are learned on painted scenes
(`painted`). Nobody's captions and nobody's photographs take part.
"""
