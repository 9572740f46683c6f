"""The web pages: rendered here, every asset served from here, readable without JavaScript.

A page costs one or two bounded reads of the store and a template: the process that renders it answers
predictions too, one request at a time.
"""
