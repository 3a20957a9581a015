"""The crash campaign: real processes that are killed and harmed under traffic, and a judge that rests on what senders
were told, on the files and on what the provider saw."""
