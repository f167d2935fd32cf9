"""Several processes of one executor (`DUEBOOK_PROCESSES`): a parent starts children, and each is a full executor."""
