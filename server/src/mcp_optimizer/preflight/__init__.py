"""What is certainly wrong with code is found before it costs a sandbox. Code is read in a child process: parsing a stranger's text must
neither hold up the event loop nor take its memory.
"""
