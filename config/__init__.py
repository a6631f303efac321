"""The Django project: composes everything, owns nothing."""
