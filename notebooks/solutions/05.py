# %% 05.1
# exercise 05.1
def taken(stamps, turn):
    """Return the indices of the frames that are taken: taken([0, 1, 2, 3, 4], 2.5) is [0, 2, 4]."""
    frame, now, answer = 0, stamps[0], []
    while True:
        while frame + 1 < len(stamps) and stamps[frame + 1] <= now:
            frame += 1
        answer.append(frame)
        now += turn
        if frame + 1 == len(stamps):
            return answer
        now = max(now, stamps[frame + 1])  # it waits where nothing new has come


# %% 05.2
# exercise 05.2
def window_mean(times, probabilities, seconds):
    """Return (n, k): at each time the mean of the rows whose time is at most `seconds` ago."""
    return np.array([probabilities[(times <= t) & (t - times <= seconds)].mean(0) for t in times])


# %% 05.3
# exercise 05.3
def stabilise(labels, hold):
    """Return the shown label for each of `labels`, whole numbers: stabilise([0, 1, 1, 1], 2) is [0, 0, 1, 1]."""
    shown, candidate, streak = [], None, 0
    for label in labels:
        streak = streak + 1 if label == candidate else 1
        candidate = label
        shown.append(label if not shown or streak >= hold else shown[-1])
    return shown


# %% 05.4
# exercise 05.4
def choose(look_back, costs, extra):
    """Return one of `look_back`; `costs` has a pair (delay, false changes) for each of them."""
    latest = costs[look_back.index(0)][0] + extra
    both = zip(look_back, costs, strict=True)
    quick = {seconds: (false, delay) for seconds, (delay, false) in both if delay <= latest}
    return min(quick, key=quick.get)  # pairs: the fewest false changes, and of equals the smallest delay


# %% 05.5
# exercise 05.5
def has_her_old_number(gap):
    my_tracker, numbers = Tracker(max_lost=1), set()
    for i, rgb in enumerate(samples.two_people(seconds=5, fps=10, away=(3, 3 + gap))):
        numbers.update(my_tracker.update(find(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)), i / 10))
    return len(numbers) == 2


# she was last seen one frame before she left, at 2.9 s, and max_lost counts from there
longest_gap = max(gap for gap in (0.7, 0.8, 0.9, 1.0, 1.1) if has_her_old_number(gap))  # seconds
