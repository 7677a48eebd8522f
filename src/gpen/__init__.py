"""Face restoration: turns a blurred, tiny, old or compressed face into a sharp one."""
