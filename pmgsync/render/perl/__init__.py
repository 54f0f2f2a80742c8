"""PURE. What Perl and Template Toolkit mean by values: truth, numbers, methods, filters."""
