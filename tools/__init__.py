"""The development entry `./sabakan`: the demo, the tests, the bench. The collection itself needs none of it."""
