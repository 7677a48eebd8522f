"""gpen in Stable Diffusion WebUI and Forge: a face restorer and an Extras script."""

#: What the restorer is called in WebUI's lists, and the Extras script in its API.
NAME = "GPEN"
