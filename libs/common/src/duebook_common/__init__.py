"""What Duebook's services share."""
