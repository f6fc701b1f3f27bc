"""What hostile tenants do: a coroutine for each kind of attack, in a process of their own, until its time is over."""
