"""What lies over the main screen: questions and the help."""
