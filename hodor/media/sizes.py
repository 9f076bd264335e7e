"""The size at which a frame is shown to the network."""


def network_size(height: int, width: int, min_dim: int, max_dim: int) -> tuple[int, int]:
    """Size of a frame whose shorter side becomes `min_dim`, or whose longer side `max_dim` where it would exceed that.

    Args:
        height: of the frame, in pixels.
        width: of the frame, in pixels.
        min_dim: wanted shorter side.
        max_dim: limit of the longer side.

    Returns:
        (height, width), each at least 1.
    """
    shorter, longer = sorted((height, width))
    scale = min_dim / shorter
    if scale * longer > max_dim:
        scale = max_dim / longer
    return max(round(scale * height), 1), max(round(scale * width), 1)
