"""How the Study page asks for a study and shows one."""
