# %% 01.1
# exercise 01.1
def negative(image):
    """Return the negative of a grey uint8 image."""
    return 255 - image  # never leaves 0..255, so uint8 is safe here


# %% 01.2
# exercise 01.2
def sharpen(image):
    """Return a float image, sharpened by one 3×3 kernel, not clipped."""
    kernel = np.full((3, 3), -1 / 9)  # minus the mean …
    kernel[1, 1] += 2  # … plus twice the pixel itself; the sum is 1, so the brightness stays
    return cv2.filter2D(image.astype(float), -1, kernel)


# %% 01.3
# exercise 01.3
boxes_at = {
    angle: cascade.detectMultiScale(images.rotate(grey, angle), scaleFactor=1.1, minNeighbors=5)
    for angle in range(0, 65, 5)
}
print({angle: len(boxes) for angle, boxes in boxes_at.items()})
first_lost_angle = min(angle for angle, boxes in boxes_at.items() if len(boxes) == 0)  # 25
# from 35° on there is a box again, but around mouth and chin, and from 55° on around her hair: false alarms
drawn_at = {}
for angle in (35, 55):
    left, top, wide, high = boxes_at[angle][0]
    turned = images.rotate(grey, angle)
    drawn_at[f"{angle}°"] = cv2.rectangle(turned, (left, top), (left + wide, top + high), 255, 3)
figure = plots.row(drawn_at)


# %% 01.4
# exercise 01.4
def to_input(rgb, box):
    """Return what is in `box` (x, y, width, height) as a grey uint8 image of 48×48 pixels."""
    x, y, w, h = box
    crop = cv2.cvtColor(rgb[y : y + h, x : x + w], cv2.COLOR_RGB2GRAY)  # rows first
    return cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA)


# %% 01.5
# exercise 01.5
def to_fernb(labels, class_names):
    """Return `labels` (n,), numbered by `class_names`, as indices into fernb.EMOTIONS."""
    table = np.array([fernb.EMOTIONS.index(name) for name in class_names])
    return table[labels]
