"""Two running builds, or two models, the same questions: same answers?"""
