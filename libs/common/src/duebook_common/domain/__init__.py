"""The judgement of Duebook: pure, standard library only."""
