"""The lake: reads Okta's log in every shape it comes in and offers it as the ``events`` view."""
