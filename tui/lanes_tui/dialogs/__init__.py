"""Dialogs over the screens: questions, fields, results, commands and the help."""
