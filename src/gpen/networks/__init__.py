"""The networks, in plain torch: what gpen's weights mean."""
