# %% 05.1
# exercise 05.1
def clock(seconds):
    """Return "00:01:05" for 65.9 seconds."""
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


# %% 05.2
# exercise 05.2
def window_mean(times, probabilities, seconds):
    """Return (n, k): at each time the mean of the rows whose time is at most `seconds` ago."""
    return np.array([probabilities[(times <= t) & (t - times <= seconds)].mean(0) for t in times])


# %% 05.3
# exercise 05.3
def stabilise(labels, hold):
    """Return the shown label for each of `labels`, a list of whole numbers."""
    shown, candidate, times = [], None, 0
    for label in labels:
        times = times + 1 if label == candidate else 1
        candidate = label
        shown.append(label if not shown or times >= hold else shown[-1])
    return shown


# %% 05.4
# exercise 05.4
evening_costs = dict(zip(LOOK_BACK, costs["evening"], strict=True))
quick = {seconds: false for seconds, (delay, false) in evening_costs.items() if delay <= 0.15}
look_back = min(quick, key=quick.get)  # one of LOOK_BACK


# %% 05.5
# exercise 05.5
my_tracker = Tracker(max_lost=1)
numbers = set()
for i, rgb in enumerate(samples.two_people(seconds=8, fps=10, away=(3, 3.5))):
    numbers.update(my_tracker.update(find(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)), i / 10))
how_many = len(numbers)
