//! What the machine is, how it does, and what follows.
